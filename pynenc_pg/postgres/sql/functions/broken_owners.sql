-- Two owners of one: work that changed hands without a claim, ends under a lease that was not the last. Internal
-- to broken.
create or replace function {schema}.broken_owners(p_app text, p_from uuid, p_limit integer) returns table (invariant text, rule text, about text[])
language plpgsql stable as $$
#variable_conflict use_column
begin
    return query
    with steps as materialized (
        select h.invocation_id, h.rev, h.status, h.runner_id, h.lease, lag(h.status) over w as before,
               lag(h.runner_id) over w as by, lag(h.lease) over w as under
        from invocation_history h
        where (p_app is null or h.app_id = p_app) and h.invocation_id >= p_from
        window w as (partition by h.invocation_id order by h.rev)
    ), claims as materialized (
        select distinct on (t.invocation_id) t.invocation_id, t.lease, t.runner_id from steps t
        where t.status = 'pending' order by t.invocation_id, t.rev desc
    )
    (select 'I3', 'changed hands without a claim',
            array[t.invocation_id::text, 'rev ' || t.rev, coalesce(t.by, '-'), coalesce(t.runner_id, '-')]
     from steps t
     where t.status in ('running', 'paused', 'resumed', 'success')
       and t.before in ('pending', 'running', 'paused', 'resumed')
       and (t.runner_id, t.lease) is distinct from (t.by, t.under)
     limit p_limit)
    union all
    (select 'I3', 'its outcome is not that of the latest lease',
            array[o.invocation_id::text, coalesce(o.runner_id, '-'), coalesce(c.runner_id, '-')]
     from invocation_outcome o left join claims c on c.invocation_id = o.invocation_id
     where (p_app is null or o.app_id = p_app) and o.invocation_id >= p_from
       and (o.lease is distinct from c.lease
            or o.runner_id is not null and o.runner_id is distinct from c.runner_id)
     limit p_limit)
    union all
    (select 'I3', 'is held under another lease than its history says',
            array[s.invocation_id::text, s.runner_id, coalesce(c.runner_id, '-')]
     from invocation_state s left join claims c on c.invocation_id = s.invocation_id
     where (p_app is null or s.app_id = p_app) and s.invocation_id >= p_from and s.runner_id is not null
       and (s.lease, s.runner_id) is distinct from (c.lease, c.runner_id)
     limit p_limit);
end $$;
