-- Finds or makes the lanes of concurrency keys and holds them (key share, by key) so that
-- maintain cannot remove them before the calls stand in them. The newest call says how many slots
-- a lane has, its rate limit, and by how many seconds its turn comes earlier than its time (p_ahead).
-- Internal; answers in order.
create or replace function {schema}.share_lanes(
    p_app text, p_queue text, p_keys text[], p_slots integer, p_rate integer,
    p_rate_period double precision, p_ahead double precision, p_must_not_wait boolean,
    p_now timestamptz, p_changed_by text
) returns bigint[] language plpgsql as $$
declare
    v_lanes bigint[];
begin
    loop
        insert into lane (app_id, queue, key, slots, rate, rate_period, ahead, impatient, served)
        select p_app, p_queue, k.key, p_slots, p_rate, p_rate_period, p_ahead, p_must_not_wait,
               p_now - make_interval(secs => p_ahead)
        from (select distinct key from unnest(p_keys) key where key is not null order by key) k
        on conflict (app_id, key) do nothing;

        perform from (select key from unnest(p_keys) key order by key) k cross join lateral (
            select from lane l where l.app_id = p_app and l.key = k.key offset 0 for key share) l;

        select array_agg(l.lane_id order by k.n) into v_lanes
        from unnest(p_keys) with ordinality k (key, n)
        left join lateral (select l.lane_id from lane l
                           where l.app_id = p_app and l.key = k.key offset 0) l on true;
        -- A lane that was idle may have been removed between the two statements: once more.
        exit when cardinality(array_remove(v_lanes, null)) = cardinality(array_remove(p_keys, null));
    end loop;

    if exists (select from lane l where l.lane_id = any (v_lanes)
               and (l.slots <> p_slots or l.queue <> p_queue or l.ahead <> p_ahead
                    or l.impatient < p_must_not_wait
                    or (l.rate, l.rate_period) is distinct from (p_rate, p_rate_period))) then
        perform from lane l where l.lane_id = any (v_lanes) order by l.key for no key update;
        -- Another rate limit: the next claim finds out how long the lane is shut.
        update lane l
        set slots = p_slots, queue = case when l.queue = p_queue then l.queue end,
            ahead = p_ahead, rate = p_rate, rate_period = p_rate_period,
            impatient = l.impatient or p_must_not_wait,
            open = l.impatient or p_must_not_wait
                   or p_slots > (select count(*) from slot x where x.lane = l.lane_id),
            next_at = case when (l.rate, l.rate_period) is not distinct from (p_rate, p_rate_period)
                           then l.next_at end
        where l.lane_id = any (v_lanes)
          and (l.slots <> p_slots or l.queue <> p_queue or l.ahead <> p_ahead
               or l.impatient < p_must_not_wait
               or (l.rate, l.rate_period) is distinct from (p_rate, p_rate_period));
        -- More slots than before: who was parked need not wait for the next end.
        if reroute_parked(v_lanes, p_changed_by) then
            perform notify(p_app, 'work');
        end if;
    end if;
    return v_lanes;
end $$;
