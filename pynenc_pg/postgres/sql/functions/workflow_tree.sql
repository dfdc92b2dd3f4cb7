-- An invocation and all that was called below it, in the order of the calls: for people. step: the path at
-- which a workflow has called it, if one has; workflow_id shows where another one begins.
create or replace function {schema}.workflow_tree(id uuid)
returns table (
    invocation_id uuid, parent_id uuid, level integer, task_id text, status text, step text, run integer,
    workflow_id uuid, registered_at timestamptz
) language plpgsql stable {definer} as $$
#variable_conflict use_column
begin
    return query
    with recursive below as (
        select i.*, 0 as level, array[i.invocation_id] as way from invocation i
        where i.invocation_id = workflow_tree.id
        union all
        select c.*, b.level + 1, b.way || c.invocation_id
        from below b
        cross join lateral (select c.* from invocation c where c.parent_id = b.invocation_id offset 0) c
    )
    select b.invocation_id, b.parent_id, b.level, b.task_id,
           coalesce((select o.status from invocation_outcome o where o.invocation_id = b.invocation_id),
                    (select s.status from invocation_state s where s.invocation_id = b.invocation_id))::text,
           t.path, t.run, coalesce(b.workflow_id, b.invocation_id), b.registered_at
    from below b
    left join lateral (
        select w.path, w.run
        from (select w.path, w.run, w.child_id from workflow_step w
              where w.invocation_id = b.parent_id offset 0) w
        where w.child_id = b.invocation_id limit 1) t on true
    order by b.way;
end $$;
