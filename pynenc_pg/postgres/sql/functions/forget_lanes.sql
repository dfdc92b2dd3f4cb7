-- Removes those of these lanes that nobody needs any more, or claims would walk over them. Internal;
-- answers how many. Locks: lanes (skip locked: whoever holds one is about to need it).
create or replace function {schema}.forget_lanes(p_lanes bigint[]) returns integer
language plpgsql as $$
declare
    v_gone integer := 0;
begin
    p_lanes := array(
        select l.lane_id from lane l
        where l.lane_id = any (p_lanes) and starts_since(l, clock_timestamp()) = 0
          and not exists (select from slot x where x.lane = l.lane_id offset 0)
          and not exists (select from invocation_state s
                          where s.lane = l.lane_id and s.lane is not null offset 0)
        for update skip locked);
    if p_lanes <> '{}' then
        -- A new statement, now that no call can join them: those that are idle still.
        delete from lane l where l.lane_id = any (p_lanes) and not exists (
            select from invocation_state s where s.lane = l.lane_id and s.lane is not null offset 0);
        get diagnostics v_gone = row_count;
    end if;
    return v_gone;
end $$;
