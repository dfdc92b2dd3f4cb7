-- Work with a concurrency key, second half of claim: gives back the slots of candidates that were
-- not taken, notes whose turn it was and what counts for rate limits; in lanes without room ends
-- those that must not wait, and parks the next ready one of those that are now full (so that people
-- see what it waits for). Internal: the lanes are locked by claim.
-- Moves: available -> concurrency_controlled | concurrency_controlled_final.
create or replace function {schema}.settle_slots(
    p_app text, p_lanes bigint[], p_candidates uuid[], p_taken uuid[], p_runner text, p_now timestamptz
) returns void language plpgsql as $$
declare
    v_served bigint[];
    v_last   bigint[];
    v_full   bigint[];
    v_shut   bigint[];
    v_ids    uuid[];
begin
    delete from slot x
    where x.invocation_id = any (p_candidates) and x.invocation_id <> all (p_taken);
    select array_agg(t.lane), array_agg(t.last) into v_served, v_last from (
        select x.lane, max(t.n) as last from unnest(p_taken) with ordinality t (id, n)
        cross join lateral (select x.lane from slot x where x.invocation_id = t.id offset 0) x
        group by x.lane) t;
    -- Of several that are served by one claim the last comes last at the next.
    update lane l
    set served = p_now - make_interval(
            secs => l.ahead - v_last[array_position(v_served, l.lane_id)] * 0.000001)
    where l.lane_id = any (v_served);
    if exists (select from lane l where l.lane_id = any (p_lanes) and l.rate is not null) then
        perform note_starts(p_app, p_lanes, p_taken, p_now);
    end if;
    select array_agg(l.lane_id) filter (where l.slots <= (select count(*) from slot x
                                                           where x.lane = l.lane_id)),
           array_agg(l.lane_id) filter (where l.next_at > p_now) into v_full, v_shut
    from lane l where l.lane_id = any (p_lanes);
    v_ids := array(select s.invocation_id from invocation_state s
                   where s.lane = any (v_full || v_shut) and s.must_not_wait and s.due_at is null
                     and s.available and not s.parked
                     and s.invocation_id <> all (p_taken)
                   for update skip locked);
    if v_ids <> '{}' then
        perform end_unowned(v_ids, 'concurrency_controlled_final', null, p_runner);
    end if;

    v_ids := array(
        select n.invocation_id from unnest(v_full) f (lane) cross join lateral (
            select s.invocation_id from invocation_state s
            where s.lane = f.lane and s.lane is not null and s.due_at is null
              and s.available and not s.parked
              and s.invocation_id <> all (p_taken)
            order by s.rank, s.invocation_id limit 1 for no key update skip locked) n
        -- Only where this claim took something: a lane that was full before was not offered.
        where exists (select from slot x where x.lane = f.lane and x.invocation_id = any (p_taken) offset 0));
    update invocation_state s
    set status = 'concurrency_controlled', previous_status = s.status,
        status_at = greatest(p_now, s.status_at), reason = null, rev = s.rev + 1,
        changed_by = p_runner
    where s.invocation_id = any (v_ids);
end $$;
