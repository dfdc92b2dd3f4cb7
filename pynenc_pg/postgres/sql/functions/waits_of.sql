-- What an invocation waits for, and who waits for it (waiter_id null: somebody outside): for people.
create or replace function {schema}.waits_of(p_app text, p_id uuid, p_limit integer)
returns table (awaited_id uuid, waiter_id uuid, task_id text, status text, since timestamptz)
language plpgsql stable {definer} as $$
#variable_conflict use_column
begin
    return query
    select e.awaited_id, e.waiter_id, i.task_id, s.status::text, e.created_at
    from ((select w.* from wait_edge w where w.waiter_id = p_id limit p_limit)
          union all
          (select w.* from wait_edge w where w.awaited_id = p_id limit p_limit)) e
    left join lateral (
        select c.task_id from invocation c
        where c.invocation_id = case when e.waiter_id = p_id then e.awaited_id else e.waiter_id end
        offset 0) i on true
    left join lateral (
        select c.status from invocation_state c
        where c.invocation_id = case when e.waiter_id = p_id then e.awaited_id else e.waiter_id end
        offset 0) s on true
    where e.app_id = p_app
    order by e.created_at;
end $$;
