-- Who stands in whose way: a row for each that waits and each that it waits for.
create or replace view {schema}.blocked_by as
select e.app_id, e.waiter_id as invocation_id, e.awaited_id as blocked_by, 'result' as waits_for,
       null::text as key, e.created_at as since
from {schema}.wait_edge e
where e.waiter_id is not null and e.needed > 0
union all
select s.app_id, s.invocation_id, h.invocation_id, 'concurrency key', l.key, s.status_at
from {schema}.invocation_state s
join {schema}.lane l on l.lane_id = s.lane
join {schema}.slot h on h.lane = s.lane
where s.parked;
