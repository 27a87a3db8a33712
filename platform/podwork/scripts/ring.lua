-- ring: tell the relay that the outbox may have new rows; a hint, no more.
-- Keys: wake:{queue}.

wake('!outbox')
return 1
