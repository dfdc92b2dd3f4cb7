-- The tasks that runners have told of, as they told of them last, and how many live runners have each.
create or replace view {schema}.tasks as
select distinct on (t.app_id, t.task_id) t.app_id, t.task_id,
       '(' || coalesce((
           select string_agg(case e->>'kind' when 'var_positional' then '*' when 'var_keyword' then '**' else '' end
                             || (e->>'name')
                             || case when (e->>'required')::boolean or e->>'kind' like 'var_%' then ''
                                     else '=...' end, ', ' order by n)
           from json_array_elements(t.parameters) with ordinality x (e, n)), '') || ')' as signature,
       t.options->>'queue' as queue, t.options,
       (select count(*) from {schema}.runner_task k
        join {schema}.runner r on r.runner_id = k.runner_id
        where k.app_id = t.app_id and k.task_id = t.task_id and r.dead_at is null
          and r.lease_until >= clock_timestamp()) as runners,
       t.told_at
from {schema}.task t
order by t.app_id, t.task_id, t.told_at desc;
