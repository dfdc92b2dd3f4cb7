-- Whether anything live points at an invocation made in a span of time: also whoever has called it
-- and runs still. Internal.
create or replace function {schema}.pointed_into(p_from timestamptz, p_until timestamptz)
returns boolean language sql stable
begin atomic
    select exists (select from {schema}.invocation_state
                   where invocation_id >= {schema}.first_id(p_from) and invocation_id < {schema}.first_id(p_until))
        or exists (select from {schema}.wait_edge
                   where awaited_id >= {schema}.first_id(p_from) and awaited_id < {schema}.first_id(p_until))
        or exists (select from {schema}.trigger_cause
                   where source_id >= {schema}.first_id(p_from) and source_id < {schema}.first_id(p_until))
        or exists (select from {schema}.workflow w
                   join {schema}.invocation_state s on s.invocation_id = w.invocation_id
                   where w.workflow_id <> w.invocation_id
                     and w.workflow_id >= {schema}.first_id(p_from) and w.workflow_id < {schema}.first_id(p_until))
        or exists (select from {schema}.workflow_step w
                   join {schema}.invocation_state s on s.invocation_id = w.invocation_id
                   where w.child_id >= {schema}.first_id(p_from) and w.child_id < {schema}.first_id(p_until))
        or exists (select from {schema}.invocation_state s
                   cross join lateral (
                       select from {schema}.invocation c where c.parent_id = s.invocation_id
                       and c.invocation_id >= {schema}.first_id(p_from)
                       and c.invocation_id < {schema}.first_id(p_until) offset 0) c
                   where s.runner_id is not null);
end;
