-- How many a runner could claim now, in one queue or (null) in all; limits of keys not considered.
create or replace function {schema}.count_ready(p_app text, p_queue text)
returns bigint language plpgsql stable {definer} as $$
begin
    return (select count(*) from invocation_state s
            where s.app_id = p_app and (p_queue is null or s.queue = p_queue)
              and s.available and s.due_at is null);
end $$;
