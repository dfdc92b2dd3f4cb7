-- Work with a concurrency key, second half of claim: gives back the slots of candidates that were
-- not taken; in lanes that are now full, parks the next ready one (so that people see what it
-- waits for) and ends those that must not wait. Internal: the lanes are locked by claim.
-- Moves: available -> concurrency_controlled | concurrency_controlled_final.
create or replace function {schema}.settle_slots(
    p_lanes bigint[], p_candidates uuid[], p_taken uuid[], p_runner text, p_now timestamptz
) returns void language plpgsql as $$
declare
    v_full bigint[];
    v_ids  uuid[];
begin
    delete from slot x
    where x.invocation_id = any (p_candidates) and x.invocation_id <> all (p_taken);
    v_full := array(select l.lane_id from lane l where l.lane_id = any (p_lanes)
                    and l.slots <= (select count(*) from slot x where x.lane = l.lane_id));

    v_ids := array(select s.invocation_id from invocation_state s
                   where s.lane = any (v_full) and s.must_not_wait and s.due_at is null
                     and s.available and not s.parked
                     and s.invocation_id <> all (p_taken)
                   order by s.invocation_id for update skip locked);
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
