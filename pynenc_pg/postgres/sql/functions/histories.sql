-- The status changes of several invocations until p_until, the latest p_each of each, in their order: for a
-- timeline. Partitions from before an invocation was made are not looked at.
create or replace function {schema}.histories(
    p_app text, p_ids uuid[], p_until timestamptz default 'infinity', p_each integer default 200
) returns table (invocation_id uuid, rev integer, status text, reason text, runner_id text, at timestamptz)
language plpgsql stable {definer} as $$
#variable_conflict use_column
begin
    return query
    select h.invocation_id, h.rev, h.status::text, h.reason, h.runner_id, h.at
    from unnest(p_ids) with ordinality u (id, n)
    cross join lateral (
        select * from invocation_history h
        where h.invocation_id = u.id and h.at >= id_time(u.id) - interval '1 day' and h.at <= p_until
        order by h.rev desc limit p_each) h
    where h.app_id = p_app
    order by u.n, h.rev;
end $$;
