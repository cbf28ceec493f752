print("gensample")
