-- Waits that nobody would end. Internal to broken.
create or replace function {schema}.broken_waits(p_app text, p_limit integer) returns table (invariant text, rule text, about text[])
language plpgsql stable as $$
#variable_conflict use_column
begin
    return query
    (select 'I10', 'waits for what is not live', array[coalesce(e.waiter_id::text, e.listener), e.awaited_id::text]
     from wait_edge e
     where (p_app is null or e.app_id = p_app)
       and not exists (select from invocation_state s where s.invocation_id = e.awaited_id)
     limit p_limit)
    union all
    (select 'I10', 'waits, and nobody executes it', array[e.waiter_id::text, e.awaited_id::text]
     from wait_edge e
     where (p_app is null or e.app_id = p_app) and e.waiter_id is not null
       and not exists (select from invocation_state s
                       where s.invocation_id = e.waiter_id and s.runner_id is not null)
     limit p_limit);
end $$;
