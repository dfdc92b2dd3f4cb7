-- Who works, since when, on how much, and whether it is believed alive.
create or replace view {schema}.runner_health as
select r.runner_id, r.app_id, r.runner_cls, r.hostname, r.pid, r.queues, r.concurrency,
       case when r.dead_at is not null then 'dead'
            when r.lease_until < clock_timestamp() then 'lease over'
            when r.lock_gone_at is not null then 'lock gone'
            else 'alive' end as health,
       r.idle, r.heartbeat_at, r.lease_until, r.registered_at,
       (select count(*) from {schema}.invocation_state s where s.runner_id = r.runner_id) as holds
from {schema}.runner r;
