-- Work with a concurrency key, first half of claim: locks lanes that have room, in the order of
-- their turn, and gives a slot to each candidate. Internal; settle_slots is the second half.
-- Costs one look at the lane table where no lane is in use.
create or replace function {schema}.take_slots(
    p_app text, p_queues text[], p_limit integer, p_now timestamptz,
    out lanes bigint[], out candidates uuid[]
) language plpgsql as $$
begin
    candidates := '{}';
    lanes := array(
        select t.lane_id from (
            select x.* from unnest(p_queues) q (name) cross join lateral (
                select l.lane_id, l.served, l.key from lane l
                where l.app_id = p_app and l.queue = q.name
                  and (l.next_at is null or l.next_at <= p_now)
                  and (exists (select from invocation_state s
                               where s.lane = l.lane_id and s.must_not_wait and s.due_at is null
                                 and s.available and not s.parked)
                       or l.slots > (select count(*) from slot x where x.lane = l.lane_id)
                          and exists (select from invocation_state s
                                      where s.lane = l.lane_id and s.lane is not null
                                        and s.due_at is null and s.available and not s.parked
                                      offset 0))
                order by l.served, l.key limit p_limit for no key update skip locked) x
            union all
            select y.* from (
                select l.lane_id, l.served, l.key from lane l
                where l.queue is null and l.app_id is not distinct from p_app
                  and (l.next_at is null or l.next_at <= p_now)
                  and (exists (select from invocation_state s
                               where s.lane = l.lane_id and s.must_not_wait and s.due_at is null
                                 and s.available and not s.parked)
                       or l.slots > (select count(*) from slot x where x.lane = l.lane_id)
                          and exists (select from invocation_state s
                                      where s.lane = l.lane_id and s.lane is not null
                                        and s.due_at is null and s.available and not s.parked
                                      offset 0))
                order by l.served, l.key limit p_limit for no key update skip locked) y
        ) t order by t.served, t.key limit p_limit);
    if lanes = '{}' then
        return;
    end if;

    -- A new statement, so a new snapshot: what the lanes hold now that they are ours.
    with room as materialized (
        -- After its slots were lowered a lane may hold numbers above them: those count, too.
        select l.lane_id, l.slots - (select count(*) from slot x where x.lane = l.lane_id) as room,
               array(select g from generate_series(1, l.slots) g
                     where g not in (select x.n from slot x where x.lane = l.lane_id)) as free
        from lane l where l.lane_id = any (lanes)
    ), filled as (
        insert into slot (lane, n, invocation_id)
        select r.lane_id, r.free[s.n], s.invocation_id
        from room r cross join lateral (
            select w.invocation_id, row_number() over (order by w.rank, w.invocation_id) as n
            from (select a.invocation_id, a.rank from invocation_state a
                  where a.lane = r.lane_id and a.lane is not null and a.queue = any (p_queues)
                    and a.available and not a.parked and a.due_at is null
                    and (a.expires_at is null or a.expires_at > p_now)
                  order by a.rank, a.invocation_id
                  limit greatest(0, least(p_limit, r.room))
                  for no key update skip locked) w) s
        returning invocation_id
    )
    select array(select f.invocation_id from filled f) into candidates;
    update lane l set served = p_now where l.lane_id = any (lanes);
end $$;
