-- House-keeping, with what the app keeps, in seconds: what has ended, and history. See maintain.
-- Raises: nothing of its own.
create or replace function {schema}.maintain_2(
    p_app text, p_finished double precision, p_history double precision
) returns text[] language plpgsql {definer} as $$
begin
    perform check_isolation();
    insert into retention as r (app_id, finished, history, told_at)
    values (p_app, p_finished, p_history, clock_timestamp())
    on conflict (app_id) do update
    set finished = excluded.finished, history = excluded.history, told_at = excluded.told_at;
    return maintain(p_app);
end $$;
