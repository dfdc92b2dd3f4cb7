-- Locks lanes that have room and ready work, or work that must not wait, in the order of their turn;
-- answers them. Internal to take_slots.
create or replace function {schema}.offer_lanes(
    p_app text, p_queues text[], p_limit integer, p_now timestamptz
) returns bigint[] language plpgsql as $$
begin
    return array(
        select t.lane_id from (
            select q.n, x.* from unnest(p_queues) with ordinality q (name, n) cross join lateral (
                select l.lane_id, l.served, l.key from lane l
                where l.app_id = p_app and l.queue = q.name and l.open
                  and (exists (select from invocation_state s
                               where s.lane = l.lane_id and s.must_not_wait and s.due_at is null
                                 and s.available and not s.parked)
                       or (l.next_at is null or l.next_at <= p_now)
                          and l.slots > (select count(*) from slot x where x.lane = l.lane_id)
                          and exists (select from invocation_state s
                                      where s.lane = l.lane_id and s.lane is not null
                                        and s.due_at is null and s.available and not s.parked
                                      offset 0))
                order by l.served, l.key limit p_limit for no key update skip locked) x
            union all
            select 1, y.* from (
                select l.lane_id, l.served, l.key from lane l
                where l.queue is null and l.app_id is not distinct from p_app and l.open
                  and (exists (select from invocation_state s
                               where s.lane = l.lane_id and s.must_not_wait and s.due_at is null
                                 and s.available and not s.parked)
                       or (l.next_at is null or l.next_at <= p_now)
                          and l.slots > (select count(*) from slot x where x.lane = l.lane_id)
                          and exists (select from invocation_state s
                                      where s.lane = l.lane_id and s.lane is not null
                                        and s.due_at is null and s.available and not s.parked
                                      offset 0))
                order by l.served, l.key limit p_limit for no key update skip locked) y
        ) t order by t.n, t.served, t.key limit p_limit);
end $$;
