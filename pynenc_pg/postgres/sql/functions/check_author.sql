-- Refuses who does not execute an invocation. Internal; its end, its next status and its cancellation wait
-- until the caller's transaction is over. Locks: the row (share). Raises: PN002 it is not (or no longer)
-- theirs.
create or replace function {schema}.check_author(p_app text, p_runner text, p_id uuid, p_lease bigint)
returns void language plpgsql as $$
begin
    perform from invocation_state s
    where s.invocation_id = p_id and s.app_id = p_app and s.lease = p_lease
      and s.runner_id is not distinct from p_runner and s.status in ('running', 'resumed', 'paused')
    for share;
    if not found then
        raise exception 'invocation % is not executed by runner % with lease %', p_id, p_runner, p_lease
            using errcode = 'PN002', hint = 'It was given to another runner, or has ended.';
    end if;
end $$;
