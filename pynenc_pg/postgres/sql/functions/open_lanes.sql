-- Trigger of slot: a lane whose slots are all taken is shut, so that claims do not walk over it, and open
-- again with the first that is free. One with calls that must not wait stays open: a claim ends them.
-- The lanes are locked by whoever takes or frees slots.
create or replace function {schema}.open_lanes() returns trigger language plpgsql as $$
begin
    update {schema}.lane l set open = not l.open
    where l.lane_id = any (array(select distinct c.lane from changed c))
      and l.open <> (l.impatient or l.slots > (select count(*) from {schema}.slot x
                                               where x.lane = l.lane_id));
    return null;
end $$;
