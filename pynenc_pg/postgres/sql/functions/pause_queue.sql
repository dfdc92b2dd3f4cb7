-- Stops, or goes on, giving out the work of a queue. To stop it waits for the claims that are under way,
-- which may have seen it open: nothing that is called afterwards is given out.
-- Locks: the queue, then, to stop it, the app's runners.
create or replace function {schema}.pause_queue(p_app text, p_queue text, p_paused boolean)
returns void language plpgsql {definer} as $$
begin
    insert into queue (app_id, queue, paused) values (p_app, p_queue, p_paused)
    on conflict (app_id, queue) do update set paused = excluded.paused;
    if p_paused then
        perform from runner r where r.app_id = p_app order by r.runner_id for update;
    else
        perform notify(p_app, 'work');
    end if;
end $$;
