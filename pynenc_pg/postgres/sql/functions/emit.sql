-- Writes an event, and notes it for each trigger that watches its code. The same id again is the same
-- event. p_payload: in the wire format. p_workflow: the run of a workflow that alone hears of it. Raises: PN008 isolation, PN025 a code that cannot be.
create or replace function {schema}.emit(
    p_app text, p_id uuid, p_code text, p_payload text, p_by text, p_workflow uuid default null
) returns void language plpgsql {definer} as $$
declare
    v_now timestamptz := clock_timestamp();
begin
    perform check_isolation();
    if p_code is null or p_code !~ '^[^[:cntrl:]]{1,255}$' or btrim(p_code) <> p_code then
        raise exception 'event code %: it must be 1 to 255 printable characters without spaces around it',
                coalesce(quote_literal(p_code), 'null')
            using errcode = 'PN025', hint = 'As in order.paid.';
    end if;
    insert into event (event_id, app_id, code, payload, emitted_at, emitted_by, workflow_id)
    values (p_id, p_app, p_code, p_payload::json, v_now, p_by, p_workflow) on conflict do nothing;
    if not found or p_workflow is not null then
        return;
    end if;
    insert into trigger_cause (app_id, trigger_id, condition_id, source_id, at)
    select p_app, w.trigger_id, w.condition_id, p_id, v_now from trigger_watch w
    where w.app_id = p_app and w.what = 'event' and w.about = p_code
      and may_meet(w.filter->'payload', p_payload::json);
    if found then
        perform notify(p_app, 'cause');
    end if;
end $$;
