-- What became of looking at causes, where it did not come to a firing. p_verdicts: no: it does not meet
-- its condition; yes: it does, and waits for the others; later: it could not be looked at, and is due
-- again in p_delays seconds; park: that has happened often enough. Answers how many were still the
-- caller's: by attempts, which each look makes one more. Locks: the causes by id.
create or replace function {schema}.settle_causes(
    p_app text, p_causes bigint[], p_attempts integer[], p_verdicts text[], p_delays double precision[],
    p_errors text[]
) returns integer language plpgsql {definer} as $$
declare
    v_now  timestamptz := clock_timestamp();
    v_mine bigint[];
begin
    perform check_isolation();
    v_mine := array(
        select c.cause_id from (
            select * from unnest(p_causes, p_attempts) a (id, attempts) order by id) a
        cross join lateral (
            select * from trigger_cause c where c.cause_id = a.id offset 0 for update) c
        where c.attempts = a.attempts and c.state = 'new' and c.app_id = p_app);
    delete from trigger_cause c where c.cause_id = any (array(
        select m.id from unnest(p_causes, p_verdicts) v (id, verdict)
        cross join lateral (select x.partners from trigger_cause x where x.cause_id = v.id offset 0) x
        cross join lateral unnest(x.partners || v.id) m (id)
        where v.verdict = 'no' and v.id = any (v_mine)));
    update trigger_cause c
    set state = case v.verdict when 'yes' then 'waiting' when 'park' then 'parked' else 'new' end,
        due_at = v_now + make_interval(secs => coalesce(v.delay, 0)), error = v.error, taken_by = null
    from unnest(p_causes, p_verdicts, p_delays, p_errors) v (id, verdict, delay, error)
    where c.cause_id = any (array[v.id]) and v.verdict <> 'no' and v.id = any (v_mine);
    return cardinality(v_mine);
end $$;
