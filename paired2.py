import sys; exec(open('/work/paired.py').read().split("a,b,model=")[0])
a,ma,b,mb=sys.argv[1:5]
for sub in("dev-clean","dev-other"):
    x,y=errs(a,sub,ma),errs(b,sub,mb); by={}
    for u in x: by.setdefault(u.split("-")[0],[]).append((x[u][0],x[u][1],y[u][0],y[u][1]))
    sp={k:[sum(c) for c in zip(*v)] for k,v in by.items()}; ks=list(sp); rng=random.Random(1)
    d=lambda ks:100*(sum(sp[k][0] for k in ks)/sum(sp[k][1] for k in ks)-sum(sp[k][2] for k in ks)/sum(sp[k][3] for k in ks))
    bs=sorted(d([rng.choice(ks) for _ in ks]) for _ in range(5000))
    print(sub,round(d(ks),2),round(bs[125],2),round(bs[4874],2),"p(one side)",sum(v>=0 for v in bs)/5000)
