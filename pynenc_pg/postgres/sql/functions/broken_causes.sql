-- Causes that fired twice, or started what is not there; steps of workflows without their calls. Internal to
-- broken.
create or replace function {schema}.broken_causes(p_app text, p_from uuid, p_limit integer) returns table (invariant text, rule text, about text[])
language plpgsql stable as $$
#variable_conflict use_column
begin
    return query
    (select 'I7', 'a cause has fired more than once',
            array[r.trigger_id, c.cause->>'condition_id', coalesce(c.cause->>'source_id', c.cause->>'at'),
                  count(*) || ' times']
     from trigger_run r
     cross join lateral json_array_elements(
         case json_typeof(r.causes) when 'array' then r.causes else json_build_array(r.causes) end) c (cause)
     where (p_app is null or r.app_id = p_app) and r.reason is null
     group by r.app_id, r.trigger_id, c.cause->>'condition_id', c.cause->>'source_id', c.cause->>'rev',
              c.cause->>'status', c.cause->>'at'
     having count(*) > 1
     limit p_limit)
    union all
    (select 'I7', 'what a cause has started is not there',
            array[r.trigger_id, r.run_id::text, r.invocation_id::text]
     from trigger_run r
     where (p_app is null or r.app_id = p_app) and r.invocation_id >= p_from
       and not exists (select from invocation i where i.invocation_id = r.invocation_id)
     limit p_limit)
    union all
    (select 'I8', 'a step of a workflow has no call, or none that is there',
            array[w.invocation_id::text, w.path, w.kind, coalesce(w.child_id::text, '-')]
     from workflow_step w
     where (p_app is null or w.app_id = p_app) and w.invocation_id >= p_from
       and ((w.kind = 'task') <> (w.child_id is not null)
            or w.child_id >= p_from
               and not exists (select from invocation i where i.invocation_id = w.child_id))
     limit p_limit)
    union all
    (select 'I8', 'a step of what is no workflow', array[w.invocation_id::text, w.path]
     from workflow_step w
     where (p_app is null or w.app_id = p_app) and w.invocation_id >= p_from
       and not exists (select from workflow f where f.invocation_id = w.invocation_id)
     limit p_limit);
end $$;
