-- What triggers have fired or dropped, the latest first; p_trigger null: all of them.
create or replace function {schema}.fired(p_app text, p_trigger text, p_limit integer)
returns table (trigger_id text, task_id text, causes text, arguments text, invocation_id uuid, reason text,
               fired_at timestamptz)
language plpgsql stable {definer} as $$
#variable_conflict use_column
begin
    if p_trigger is null then
        return query
        select r.trigger_id, r.task_id, r.causes::text, r.arguments::text, r.invocation_id, r.reason, r.fired_at
        from trigger_run r where r.app_id = p_app
        order by r.fired_at desc, r.run_id desc limit p_limit;
    else
        return query
        select r.trigger_id, r.task_id, r.causes::text, r.arguments::text, r.invocation_id, r.reason, r.fired_at
        from trigger_run r where r.app_id = p_app and r.trigger_id = p_trigger
        order by r.fired_at desc, r.run_id desc limit p_limit;
    end if;
end $$;
