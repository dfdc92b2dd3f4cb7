-- The runs of an app's workflows, the latest first: of one task, the live ones alone, or those that were called
-- before another one, if that is asked.
-- One after the other, so that no more are looked at than are answered.
create or replace function {schema}.workflow_runs(
    p_app text, p_task text, p_live boolean, p_limit integer, p_before uuid default null
) returns table (
    invocation_id uuid, task_id text, status text, reason text, workflow_id uuid,
    parent_workflow_id uuid, began_at timestamptz, paused_at timestamptz, pause_reason text,
    wakes_at timestamptz, awaits_event text, forked_from uuid, steps bigint
) language plpgsql stable {definer} set enable_sort = off as $$
#variable_conflict use_column
declare
    v_left integer := p_limit;
    v_id   uuid;
begin
    for v_id in select w.invocation_id from workflow w
                where w.app_id = p_app
                  and w.invocation_id < coalesce(p_before, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
                order by w.invocation_id desc
    loop
        exit when v_left <= 0;
        return query
        select v.invocation_id, v.task_id, v.status::text, v.reason, v.workflow_id, v.parent_workflow_id,
               v.began_at, v.paused_at, v.pause_reason, v.wakes_at, v.awaits_event, v.forked_from, v.steps
        from workflows v
        where v.invocation_id = v_id and (p_task is null or v.task_id = p_task)
          and (not p_live or v.finished_at is null);
        v_left := v_left - found::integer;
    end loop;
end $$;
