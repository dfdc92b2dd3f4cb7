-- Whether a runner of the app that is believed alive serves a queue.
create or replace function {schema}.is_served(p_app text, p_queue text)
returns boolean language plpgsql stable {definer} as $$
begin
    return exists (select from runner r
                   where r.app_id = p_app and r.dead_at is null
                     and r.lease_until >= clock_timestamp()
                     and (r.queues = '{}' or r.queues && array[p_queue, '*']));
end $$;
