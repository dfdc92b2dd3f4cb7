-- At the commit: between its look at who waits and the end of its transaction nobody begins to wait.
create constraint trigger wake_waiting after insert on {schema}.event
    deferrable initially deferred for each row execute function {schema}.wake_waiting();
