-- Has a run of a workflow stop at its next step, or go on, whichever app it is of: for psql, triggers and
-- other languages. Answers whether it is live.
create or replace function {schema}.pause_workflow(id uuid, paused boolean default true, reason text default '')
returns boolean language plpgsql {definer} as $$
#variable_conflict use_variable
declare
    v_app text;
begin
    select i.app_id into v_app from invocation i where i.invocation_id = id;
    return found and pause_workflow(v_app, id, reason, paused);
end $$;
