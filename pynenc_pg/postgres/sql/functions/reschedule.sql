-- Lets a schedule have other times from now on, or those of the code again (null); answers whether there is
-- such a schedule. A deploy leaves that alone, until the code itself has other times.
-- p_edited: the condition, as the code would have it. Locks: the schedule.
create or replace function {schema}.reschedule(p_app text, p_trigger text, p_condition text, p_edited text)
returns boolean language plpgsql {definer} as $$
begin
    perform check_isolation();
    update schedule s set edited = p_edited::json, settled = clock_timestamp(), next_at = null
    where s.app_id = p_app and s.trigger_id = p_trigger and s.condition_id = p_condition;
    if found then
        perform notify(p_app, 'cause');
    end if;
    return found;
end $$;
