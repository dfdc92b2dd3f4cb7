-- The runs of an app's workflows, the latest first, those before p_before: of one task, and the live ones alone,
-- if that is asked. One after the other, so that no more are looked at than are answered. After p_patience it
-- stops: then a last row, with looked_to alone, says from where to go on.
create or replace function {schema}.workflow_runs(
    p_app text, p_task text, p_live boolean, p_limit integer, p_before uuid default null,
    p_patience interval default null
) returns table (
    invocation_id uuid, task_id text, status text, reason text, workflow_id uuid,
    parent_workflow_id uuid, began_at timestamptz, paused_at timestamptz, pause_reason text,
    wakes_at timestamptz, awaits_event text, forked_from uuid, steps bigint, looked_to uuid
) language plpgsql stable {definer} set enable_sort = off as $$
#variable_conflict use_column
declare
    v_until constant timestamptz := clock_timestamp() + p_patience;
    v_left  integer := p_limit;
    v_last  uuid;
    v_id    uuid;
begin
    for v_id in select w.invocation_id from workflow w
                where w.app_id = p_app
                  and w.invocation_id < coalesce(p_before, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
                order by w.invocation_id desc
    loop
        exit when v_left <= 0;
        if clock_timestamp() > v_until and v_last is not null then
            looked_to := v_last;
            return next;
            exit;
        end if;
        v_last := v_id;
        continue when p_live and not exists (
            select from invocation_state s where s.invocation_id = v_id);
        continue when p_task is not null and not exists (
            select from invocation i where i.invocation_id = v_id and i.task_id = p_task);
        return query
        select v.invocation_id, v.task_id, v.status::text, v.reason, v.workflow_id, v.parent_workflow_id,
               v.began_at, v.paused_at, v.pause_reason, v.wakes_at, v.awaits_event, v.forked_from, v.steps,
               null::uuid
        from workflows v
        where v.invocation_id = v_id;
        v_left := v_left - found::integer;
    end loop;
end $$;
