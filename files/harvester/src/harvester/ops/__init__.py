"""What an operator does from the controller: pull and verify data, push tokens, look after hosts."""
