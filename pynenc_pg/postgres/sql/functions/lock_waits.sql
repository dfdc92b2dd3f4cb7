-- The first lock of a wait; answers whether it can close no circle. Internal to pause.
-- A circle has a wait for somebody else's work, or runs through a concurrency key. Those take the
-- lock alone, so that of two that close one together the second sees the first. A wait for one's
-- own children, who wait for nobody yet and have no key, can only be the beginning of one: such
-- waits share it.
create or replace function {schema}.lock_waits(p_app text, p_id uuid, p_awaited uuid[])
returns boolean language plpgsql as $$
declare
    v_lock constant bigint := hashtextextended('{schema_name}.waits.' || p_app, 0);
begin
    if own_children(p_id, p_awaited) then
        begin
            perform pg_advisory_xact_lock_shared(v_lock);
            -- A new statement: what they did while we waited for the lock counts.
            if own_children(p_id, p_awaited) then
                return true;
            end if;
            raise object_not_in_prerequisite_state;
        exception when object_not_in_prerequisite_state then
            null;  -- undone is the shared lock: two that hold it could never get it alone
        end;
    end if;
    perform pg_advisory_xact_lock(v_lock);
    return false;
end $$;
