-- Gives back what a runner holds; spends no retry and no recovery. Answers only those lost.
-- Moves: pending -> rerouted; running, paused, resumed -> killed -> rerouted; with cancellation
-- asked for: -> failed. Locks: lanes by key, then rows by id.
create or replace function {schema}.release(p_app text, p_runner text, p_ids uuid[], p_leases bigint[])
returns table (invocation_id uuid, answer text) language plpgsql {definer} as $$
begin
    return query
    select g.id, 'lost' from unnest(give_back(p_app, p_runner, p_ids, p_leases, null)) g (id);
end $$;
