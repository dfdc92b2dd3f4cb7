-- Makes the row of a run with its first step. Internal; answers whose data it uses. Raises: PN028 the run is
-- paused, unless p_paused says that this does not matter.
create or replace function {schema}.begin_run(p_app text, p_id uuid, p_paused boolean default false)
returns uuid language plpgsql as $$
declare
    v_run {schema}.workflow;
begin
    select * into v_run from workflow w where w.invocation_id = p_id;
    if not found then
        insert into workflow (invocation_id, app_id, workflow_id, began_at)
        select p_id, p_app, coalesce(i.workflow_id, p_id), clock_timestamp() from invocation i
        where i.invocation_id = p_id
        on conflict do nothing;
        select * into v_run from workflow w where w.invocation_id = p_id;
    end if;
    if v_run.paused_at is not null and not p_paused then
        raise exception 'workflow run % is paused%', p_id, coalesce(': ' || nullif(v_run.pause_reason, ''), '')
            using errcode = 'PN028', hint = 'pynenc-pg workflows resume, or pynenc.pause_workflow(.., false).';
    end if;
    return v_run.workflow_id;
end $$;
