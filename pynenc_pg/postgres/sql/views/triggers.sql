-- The triggers that the code has told of, with what stands behind each.
create or replace view {schema}.triggers as
select d.app_id, d.trigger_id, d.task_id, d.paused_at is not null as paused,
       d.definition->'conditions' as conditions,
       (select min(s.next_at) from {schema}.schedule s
        where s.app_id = d.app_id and s.trigger_id = d.trigger_id) as next_at,
       (select count(*) from {schema}.trigger_cause c
        where c.app_id = d.app_id and c.trigger_id = d.trigger_id and c.state = 'new') as due,
       (select count(*) from {schema}.trigger_cause c
        where c.app_id = d.app_id and c.trigger_id = d.trigger_id and c.state = 'waiting') as waiting,
       (select count(*) from {schema}.trigger_cause c
        where c.app_id = d.app_id and c.trigger_id = d.trigger_id and c.state = 'parked') as parked,
       r.fired, r.last_fired, d.version, d.definition, d.told_at, d.paused_at
from {schema}.trigger_definition d
cross join lateral (
    select count(*) as fired, max(r.fired_at) as last_fired from {schema}.trigger_run r
    where r.app_id = d.app_id and r.trigger_id = d.trigger_id and r.reason is null) r
where d.removed_at is null;
