-- Rows that belong to two apps at once. Internal to broken.
create or replace function {schema}.mixed_apps(p_app text, p_from uuid, p_limit integer) returns table (invariant text, rule text, about text[])
language plpgsql stable as $$
#variable_conflict use_column
begin
    return query
    (select 'I12', 'stands in another app than its call', array[x.invocation_id::text, x.stands, i.app_id, x.app_id]
     from (select s.invocation_id, s.app_id, 'state' as stands from invocation_state s
           union all
           select o.invocation_id, o.app_id, 'outcome' from invocation_outcome o where o.invocation_id >= p_from
           union all
           select w.invocation_id, w.app_id, 'workflow' from workflow w where w.invocation_id >= p_from
           union all
           select e.awaited_id, e.app_id, 'wait' from wait_edge e) x
     join invocation i on i.invocation_id = x.invocation_id
     where i.app_id <> x.app_id and (p_app is null or p_app in (i.app_id, x.app_id))
     limit p_limit)
    union all
    (select 'I12', 'is in the queue of a key of another app', array[s.invocation_id::text, s.app_id, l.app_id]
     from invocation_state s join lane l on l.lane_id = s.lane
     where s.app_id <> l.app_id and (p_app is null or p_app in (s.app_id, l.app_id))
     limit p_limit)
    union all
    (select 'I12', 'is held by a runner of another app', array[s.invocation_id::text, s.app_id, r.app_id]
     from invocation_state s join runner r on r.runner_id = s.runner_id
     where s.app_id <> r.app_id and (p_app is null or p_app in (s.app_id, r.app_id))
     limit p_limit);
end $$;
