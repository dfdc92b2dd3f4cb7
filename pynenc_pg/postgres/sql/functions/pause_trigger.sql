-- Lets a trigger rest, or go on; answers whether there is one. Meanwhile its causes are noted and wait; of
-- a schedule, what it missed is treated like what passed while nothing ran.
create or replace function {schema}.pause_trigger(p_app text, p_trigger text, p_paused boolean)
returns boolean language plpgsql {definer} as $$
begin
    update trigger_definition d
    set paused_at = case when p_paused then coalesce(d.paused_at, clock_timestamp()) end
    where d.app_id = p_app and d.trigger_id = p_trigger and d.removed_at is null;
    if found and not p_paused then
        perform notify(p_app, 'cause');
    end if;
    return found;
end $$;
