-- Whether a runner that is believed alive takes work of the queue and has a task that takes arguments of
-- these names; those that have refused it do not count. Internal.
create or replace function {schema}.is_able(
    p_app text, p_task text, p_queue text, p_names text[], p_refused_by text[]
) returns boolean language plpgsql stable as $$
begin
    return exists (
        select from (select k.* from runner_task k
                     where k.app_id = p_app and k.task_id = p_task offset 0) k
        join runner r on r.runner_id = k.runner_id
        join task t on t.app_id = k.app_id and t.task_id = k.task_id and t.fingerprint = k.fingerprint
        cross join lateral misfit(t.parameters, p_names) m
        where r.dead_at is null
          and r.lease_until >= clock_timestamp()
          and (r.queues = '{}' or r.queues && array[p_queue, '*'])
          and r.runner_id <> all (p_refused_by) and m.missing = '{}' and m.unknown = '{}');
end $$;
