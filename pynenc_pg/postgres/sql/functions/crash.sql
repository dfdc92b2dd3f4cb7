-- Gives back what a process of a living runner was executing when it died. Answers only those lost.
-- Moves: running, paused, resumed -> running_recovery -> rerouted | failed (recoveries_exhausted, or
-- cancelled where that was asked for); pending -> rerouted. Locks: lanes by key, then rows by id.
create or replace function {schema}.crash(
    p_app text, p_runner text, p_ids uuid[], p_leases bigint[], p_max_recoveries integer
) returns table (invocation_id uuid, answer text) language plpgsql {definer} as $$
begin
    return query
    select g.id, 'lost'
    from unnest(give_back(p_app, p_runner, p_ids, p_leases, p_max_recoveries)) g (id);
end $$;
