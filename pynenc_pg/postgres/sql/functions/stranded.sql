-- Work that stands although a runner is there that would do it: for a minute, which is many looks. Internal to
-- broken.
create or replace function {schema}.stranded(p_app text, p_limit integer)
returns table (invariant text, rule text, about text[]) language plpgsql stable as $$
#variable_conflict use_column
declare
    v_then constant timestamptz := clock_timestamp() - interval '1 minute';
begin
    return query
    with live as materialized (
        select r.*, (select count(*) from invocation_state s
                     where s.runner_id = r.runner_id and s.status <> 'paused') as taken
        from runner r
        where (p_app is null or r.app_id = p_app) and r.dead_at is null
          and r.lease_until >= clock_timestamp() and r.registered_at < v_then
    )
    (select 'I11', 'is held by a runner that nobody knows', array[s.invocation_id::text, s.runner_id]
     from invocation_state s
     where (p_app is null or s.app_id = p_app) and s.runner_id is not null
       and not exists (select from runner r where r.runner_id = s.runner_id)
     limit p_limit)
    union all
    (select 'I11', 'is held by a dead runner, though others live',
            array[s.invocation_id::text, s.runner_id, d.lease_until::text]
     from runner d join invocation_state s on s.runner_id = d.runner_id
     where (p_app is null or d.app_id = p_app) and (d.dead_at < v_then or d.lease_until < v_then)
       and exists (select from live r where r.app_id = d.app_id and r.runner_id <> d.runner_id)
     limit p_limit)
    union all
    (select 'I11', 'was due, and nobody made it ready', array[s.invocation_id::text, s.due_at::text]
     from invocation_state s
     where (p_app is null or s.app_id = p_app) and s.due_at < v_then
       and exists (select from live r where r.app_id = s.app_id)
     limit p_limit)
    union all
    (select 'I11', 'should have begun, and nobody ended it', array[s.invocation_id::text, s.expires_at::text]
     from invocation_state s
     where (p_app is null or s.app_id = p_app) and s.expires_at < v_then and s.runner_id is null
       and exists (select from live r where r.app_id = s.app_id)
     limit p_limit)
    union all
    (select 'I11', 'is ready, and a runner that could take it is idle',
            array[s.invocation_id::text, s.queue, r.runner_id]
     from live r
     join queue q on q.app_id = r.app_id and not q.paused
                 and (r.queues = '{}' or r.queues && array[q.queue, '*'])
     cross join lateral (
         select s.* from invocation_state s
         where s.app_id = q.app_id and s.queue = q.queue and s.available and s.due_at is null
           and s.lane is null and s.status_at < v_then and s.rank < extract(epoch from v_then)
         order by s.rank, s.invocation_id limit p_limit) s
     where r.idle and r.idle_at < v_then and r.taken < r.concurrency
     limit p_limit);
end $$;
