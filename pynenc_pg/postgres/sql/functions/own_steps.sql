-- These invocations, and what the live ones of them have themselves called as steps of workflows, down to
-- the last.
-- Internal to cancel.
create or replace function {schema}.own_steps(p_ids uuid[]) returns uuid[] language sql stable
begin atomic
    with recursive called (id) as (
        select unnest(p_ids)
        union
        select w.child_id from called c
        cross join lateral (select from {schema}.invocation_state s where s.invocation_id = c.id offset 0) s
        cross join lateral (select w.child_id from {schema}.workflow_step w
                            where w.invocation_id = c.id offset 0) w
        cross join lateral (select i.parent_id from {schema}.invocation i
                            where i.invocation_id = w.child_id offset 0) i
        where i.parent_id = c.id  -- another one's call, or that of the run it was forked from, is not its own
    )
    select array_agg(c.id order by c.id) from called c;
end;
