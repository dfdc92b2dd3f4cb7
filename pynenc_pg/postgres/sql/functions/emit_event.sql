-- Makes known that something has happened: for psql, triggers and other languages. payload: plain JSON.
-- app may be left out where there is but one whose runners have told of tasks. Answers the event's id;
-- what watches it is started when the transaction commits. workflow: the run that alone hears of it.
-- Raises: PN008 isolation, PN014 no such run, PN020 which app is meant, PN025 a code that cannot be.
create or replace function {schema}.emit_event(
    code text, payload json default '{}', app text default null, workflow uuid default null
) returns uuid language plpgsql {definer} as $$
#variable_conflict use_variable
declare
    v_id   uuid := new_id();
    v_apps text[];
begin
    if app is null and workflow is not null then
        select i.app_id into app from invocation i where i.invocation_id = workflow;
        if not found then
            raise exception 'no invocation %', workflow using errcode = 'PN014';
        end if;
    end if;
    if app is null then
        v_apps := array(select distinct t.app_id from task t
                        union select d.app_id from trigger_definition d where d.removed_at is null
                        order by 1);
        if cardinality(v_apps) <> 1 then
            raise exception '%', case when v_apps = '{}' then 'no runner has told of its app'
                                      else 'there are several apps: ' || array_to_string(v_apps, ', ') end
                using errcode = 'PN020', hint = 'Say which one is meant: emit_event(.., app => ..).';
        end if;
        app := v_apps[1];
    end if;
    perform emit(app, v_id, code, plain_wire(coalesce(payload, 'null'))::text, 'sql', workflow);
    return v_id;
end $$;
