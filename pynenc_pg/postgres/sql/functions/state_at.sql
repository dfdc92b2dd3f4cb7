-- What stood where at a moment, by the history: what had been called and had not ended, p_limit at most, the
-- oldest first. For people: it reads the history from its first partition to that moment.
create or replace function {schema}.state_at(p_app text, p_at timestamptz, p_limit integer default 1000)
returns table (invocation_id uuid, task_id text, status text, reason text, runner_id text, since timestamptz)
language plpgsql stable security definer set search_path = {schema}, pg_catalog, pg_temp set jit = off as $$
#variable_conflict use_column
begin
    return query
    select h.invocation_id, i.task_id, h.status::text, h.reason, h.runner_id, h.at
    from (
        select distinct on (e.invocation_id) e.* from invocation_history e
        where e.app_id = p_app and e.at <= p_at
        order by e.invocation_id, e.rev desc) h
    join invocation i on i.invocation_id = h.invocation_id
    where h.status not in ('success', 'failed', 'concurrency_controlled_final')
    order by h.invocation_id limit p_limit;
end $$;
