-- Every status change of several invocations, each in its order: for a timeline. Partitions from before an
-- invocation was made are not looked at.
create or replace function {schema}.histories(p_app text, p_ids uuid[])
returns table (invocation_id uuid, rev integer, status text, reason text, runner_id text, at timestamptz)
language plpgsql stable {definer} as $$
#variable_conflict use_column
begin
    return query
    select h.invocation_id, h.rev, h.status::text, h.reason, h.runner_id, h.at
    from unnest(p_ids) with ordinality u (id, n)
    cross join lateral (
        select * from invocation_history h
        where h.invocation_id = u.id and h.at >= id_time(u.id) - interval '1 day' offset 0) h
    where h.app_id = p_app
    order by u.n, h.rev;
end $$;
