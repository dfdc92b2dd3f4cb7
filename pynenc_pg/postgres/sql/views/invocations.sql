-- Live and finished invocations in one view: the stable way to look at them in SQL.
create or replace view {schema}.invocations as
select i.invocation_id, i.app_id, i.task_id, i.queue,
       coalesce(o.status, s.status) as status, coalesce(o.reason, s.reason) as reason,
       coalesce(o.runner_id, s.runner_id) as runner_id, i.arguments, o.value as result,
       i.priority, coalesce(o.retries, s.retries) as retries,
       coalesce(o.recoveries, s.recoveries) as recoveries, i.parent_id, i.depth, s.due_at,
       s.expires_at, s.cancel_requested_at, i.registered_at,
       coalesce(o.finished_at, s.status_at) as status_at, o.finished_at
from {schema}.invocation i
left join {schema}.invocation_state s on s.invocation_id = i.invocation_id
left join {schema}.invocation_outcome o on o.invocation_id = i.invocation_id;
