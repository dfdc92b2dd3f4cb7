alter table {schema}.invocation drop column expires_at;
-- What is set aside would stay so for a hundred years.
update {schema}.invocation_state s set due_at = null, previous_status = s.status
from {schema}.aside a
where a.invocation_id = s.invocation_id and a.freed_at is null and s.due_at is not null;
drop table {schema}.aside;
drop table {schema}.runner_task;
drop table {schema}.task;
