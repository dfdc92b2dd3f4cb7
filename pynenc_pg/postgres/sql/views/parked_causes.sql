-- Causes that could not be looked at, time and again, because a function of the user failed: they wait for
-- somebody to have them looked at once more.
create or replace view {schema}.parked_causes as
select c.app_id, c.cause_id, c.trigger_id, d.task_id, c.condition_id, c.at, c.source_id, c.status,
       e.code, c.attempts, c.error
from {schema}.trigger_cause c
join {schema}.trigger_definition d on d.app_id = c.app_id and d.trigger_id = c.trigger_id
left join {schema}.event e on e.app_id = c.app_id and e.event_id = c.source_id and c.status is null
where c.state = 'parked';
