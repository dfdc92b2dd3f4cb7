-- Histories with gaps, steps the machine does not have, ends that changed. Internal to broken.
create or replace function {schema}.broken_history(p_app text, p_from uuid, p_limit integer) returns table (invariant text, rule text, about text[])
language plpgsql stable as $$
#variable_conflict use_column
begin
    return query
    with steps as materialized (
        select h.invocation_id, h.rev, h.previous_status, h.status, h.reason, h.at,
               lag(h.status) over w as before, lag(h.at) over w as earlier, row_number() over w as n
        from invocation_history h
        where (p_app is null or h.app_id = p_app) and h.invocation_id >= p_from
        window w as (partition by h.invocation_id order by h.rev)
    ), lasts as materialized (
        select t.invocation_id, max(t.rev) as rev, count(*) as steps,
               count(*) filter (where f.final) as ends,
               count(*) filter (where t.rev <> t.n - 1) as odd
        from steps t join status f on f.status = t.status group by t.invocation_id
    )
    (select 'I6', 'history has a gap or a revision twice, or does not end where it stands',
            array[l.invocation_id::text, 'rev ' || l.rev, l.steps || ' rows']
     from lasts l
     left join invocation_state s on s.invocation_id = l.invocation_id
     left join invocation_outcome o on o.invocation_id = l.invocation_id
     where l.steps <> l.rev + 1 or l.odd > 0 or l.rev is distinct from coalesce(o.rev, s.rev)
     limit p_limit)
    union all
    (select 'I6', 'has no history', array[i.invocation_id::text, i.task_id]
     from invocation i
     where (p_app is null or i.app_id = p_app) and i.invocation_id >= p_from
       and not exists (select from lasts l where l.invocation_id = i.invocation_id)
     limit p_limit)
    union all
    (select 'I2', 'a step that is not in status_transition, or goes back in time',
            array[t.invocation_id::text, 'rev ' || t.rev, coalesce(t.before::text, '-'), t.status::text,
                  coalesce(t.reason, '-')]
     from steps t
     where t.before is distinct from t.previous_status or t.at < t.earlier
        or case when t.n = 1 then t.rev <> 0 or t.status <> 'registered'
                else not exists (select from status_transition x
                                 where x.from_status = t.before and x.to_status = t.status
                                   and (x.reason is null or x.reason = t.reason)) end
     limit p_limit)
    union all
    (select 'I5', 'ended more than once', array[l.invocation_id::text, l.ends || ' ends']
     from lasts l where l.ends > 1 limit p_limit)
    union all
    (select 'I5', 'its outcome is not what its history says',
            array[o.invocation_id::text, o.status::text, t.status::text]
     from invocation_outcome o join steps t on t.invocation_id = o.invocation_id and t.rev = o.rev
     where o.status <> t.status
     limit p_limit);
end $$;
