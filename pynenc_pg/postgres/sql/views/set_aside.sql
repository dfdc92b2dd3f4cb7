-- What no runner could take, and why: due in a hundred years, or sooner, when one comes that can.
create or replace view {schema}.set_aside as
select a.app_id, a.invocation_id, a.task_id, a.queue, a.cause,
       case a.cause when 'unknown_task' then 'no runner that met it knows the task'
            else 'the task as it is now takes other arguments:'
                 || coalesce(' missing ' || nullif(array_to_string(a.missing, ', '), ''), '')
                 || coalesce(' unknown ' || nullif(array_to_string(a.unknown, ', '), ''), '')
       end as why,
       a.missing, a.unknown, a.refused_by, a.refusals, a.since, s.expires_at
from {schema}.aside a
join {schema}.invocation_state s on s.invocation_id = a.invocation_id
where a.freed_at is null;
