-- The triggers of an app with what stands behind each, for people.
create or replace function {schema}.triggers_of(p_app text)
returns table (trigger_id text, task_id text, definition text, version text, paused boolean,
               next_at timestamptz, due bigint, waiting bigint, parked bigint, fired bigint,
               last_fired timestamptz)
language plpgsql stable {definer} as $$
#variable_conflict use_column
begin
    return query
    select v.trigger_id, v.task_id, v.definition::text, v.version, v.paused, v.next_at, v.due, v.waiting,
           v.parked, v.fired, v.last_fired
    from triggers v where v.app_id = p_app order by v.trigger_id;
end $$;
