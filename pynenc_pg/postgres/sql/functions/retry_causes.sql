-- Has causes looked at again that were parked; answers how many there were.
create or replace function {schema}.retry_causes(p_app text, p_trigger text) returns integer
language plpgsql {definer} as $$
declare
    v_count integer;
begin
    perform check_isolation();
    update trigger_cause c set state = 'new', attempts = 0, due_at = clock_timestamp(), error = null
    where c.app_id = p_app and c.trigger_id = p_trigger and c.state = 'parked';
    get diagnostics v_count = row_count;
    if v_count > 0 then
        perform notify(p_app, 'cause');
    end if;
    return v_count;
end $$;
