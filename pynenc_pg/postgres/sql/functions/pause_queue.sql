-- Stops, or goes on, giving out the work of a queue.
create or replace function {schema}.pause_queue(p_app text, p_queue text, p_paused boolean)
returns void language plpgsql {definer} as $$
begin
    insert into queue (app_id, queue, paused) values (p_app, p_queue, p_paused)
    on conflict (app_id, queue) do update set paused = excluded.paused;
    if not p_paused then
        perform notify(p_app, 'work');
    end if;
end $$;
